"""Room 4: from batches to probabilities."""
