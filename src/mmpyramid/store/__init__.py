"""The store: features of many videos in a folder that survives any crash."""
