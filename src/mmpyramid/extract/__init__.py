"""From the files of a corpus to features in a store: search, decoding, embedding, engines."""
