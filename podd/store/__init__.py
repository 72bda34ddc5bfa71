"""All SQL. `db` owns connections and transactions; each other module owns one family of tables.

Functions here take an open transaction (or reader) and return domain values; rows never leave.
"""
