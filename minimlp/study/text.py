"""Numbers and tables as text."""


def short(value):
    """A number with three digits; what is missing as a dash."""
    return "-" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def words(name):
    """A column's name as one says it."""
    return name.replace("_", " ")


def aligned(header, rows):
    """Columns of text, the first to the left and the others to the right."""
    rows = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(cell.ljust(width) if k == 0 else cell.rjust(width)
                               for k, (cell, width) in enumerate(zip(row, widths))).rstrip()
                     for row in rows)
