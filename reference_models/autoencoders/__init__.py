"""Classical autoencoders: what they rebuild badly is anomalous."""
