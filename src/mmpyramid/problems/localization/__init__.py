"""Audio-visual event localization (AVE)."""
