# What people look at: tables and figures of the report.


def tables():
    return []
