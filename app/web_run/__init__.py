"""A worker that needs no HTTP: it does waiting tasks beside the web request that started it."""
