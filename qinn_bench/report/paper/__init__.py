"""Whether the numbers of a draft are those of the records, and no more digits of them than are known."""
