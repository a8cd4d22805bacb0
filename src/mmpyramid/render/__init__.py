"""Room 6: from a timeline to what people look at."""
