"""The new services that the PHP shop is moved onto, one package each."""
