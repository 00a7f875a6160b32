"""The laws of the engine, tried on the real program. A package, so that its conftest.py has a name of its own."""
