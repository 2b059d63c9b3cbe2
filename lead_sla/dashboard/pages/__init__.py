"""The pages: each module lays out one, from the board to tiles, tables and charts."""
