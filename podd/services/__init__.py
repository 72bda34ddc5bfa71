"""The verbs and the ticks. A verb `verb(tx, podd, ...)` decides with the rules of `domain`, changes rows
through `store`, and never waits for anything. A tick looks at the clock's `now` and calls verbs.
"""
