"""Pages of HTML that open without a network: of a study, and of all verdicts."""
