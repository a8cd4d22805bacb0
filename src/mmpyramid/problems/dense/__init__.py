"""Dense events in untrimmed videos."""
