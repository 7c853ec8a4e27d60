"""The parties of the demo, each the program of a process of its own."""
