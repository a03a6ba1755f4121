"""A study packed for a referee, with its page, records, files, versions and checksums."""
