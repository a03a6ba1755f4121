"""Is a version slower than another? Interleaved measurements and their test."""
