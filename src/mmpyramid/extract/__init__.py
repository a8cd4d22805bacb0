"""Room 2: from sound and picture to features, and the store that keeps them."""
