"""Room 3: from features and labels to batches."""
