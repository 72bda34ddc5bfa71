"""The edges: each turns requests of one surface into verbs and their results and errors back into its own
shapes. No rule and no SQL lives here."""
