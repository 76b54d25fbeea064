"""Evidence: outcomes, epochs, noise, coverage and the verdict. Pure."""
