"""The web app and its HTTP interface: a door into the same `Pipeline` as the command line."""
