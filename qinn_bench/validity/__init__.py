"""May a number be believed? Certificates, flags, and the truth against itself."""
