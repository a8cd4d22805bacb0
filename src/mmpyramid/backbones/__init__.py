"""Backbones: a frozen network from sound or picture to features, one file each."""
