"""The simulators of this project, exact, with shots and with noise."""
