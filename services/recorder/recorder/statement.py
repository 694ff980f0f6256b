"""Which SQL may run: one SELECT that only reads the recorder's own tables. Pure: syntax tree -> refusal.

The tree is DuckDB's own (`json_serialize_sql`). That a statement is a SELECT by type is not enough: a data-modifying
`WITH` is one too, and so is `FROM checkpoint()`. What is listed here stands in front of the read-only transaction and
the locked settings, not in their place.
"""

from __future__ import annotations

from typing import Any

SQL_CHARACTERS_MAX = 20_000

READING_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
TABLE_FUNCTIONS = frozenset(
    {
        "range", "generate_series", "unnest", "repeat", "json_each", "json_tree", "duckdb_tables", "duckdb_columns",
        "duckdb_views", "duckdb_functions", "duckdb_types", "duckdb_keywords", "orders_at",
        "positions_at", "order_story", "order_hops", "order_protection", "list_stops",
    }
)  # fmt: skip
OWN_SCHEMAS = frozenset({"", "main", "desk"})
INFORMATION_VIEWS = frozenset({"tables", "columns", "views", "schemata"})
REFUSED_FUNCTIONS = frozenset(
    {
        "getenv", "getvariable", "current_setting", "set_config", "write_log", "parse_duckdb_log_message", "sleep_ms",
        "setseed", "nextval", "currval", "setval", "json_execute_serialized_sql",
    }
)  # fmt: skip


def refusal(tree: dict[str, Any], inner_views: frozenset[str]) -> str:
    """Why the statement with this tree may not run, as a sentence; "" if it may.

    `inner_views`: DuckDB's own views, in lower case; of these only the standard's information_schema is shown.
    """
    if tree.get("error"):
        return f"Only a SELECT can be run here: {tree.get('error_message', 'this is something else')}."
    if len(tree["statements"]) != 1:
        return "Send exactly one statement."
    open_nodes: list[Any] = [tree["statements"]]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, list):
            open_nodes.extend(node)
        elif isinstance(node, dict):
            reason = _node_refusal(node, inner_views)
            if reason:
                return reason
            open_nodes.extend(value for value in node.values() if isinstance(value, dict | list))
    return ""


def _node_refusal(node: dict[str, Any], inner_views: frozenset[str]) -> str:
    kind = str(node.get("type", ""))
    if kind.endswith("_NODE") and kind not in READING_NODES:
        return "Only a SELECT can be run here: this statement would change the database."
    if kind == "BASE_TABLE":
        schema, table = (str(node.get(name, "")).lower() for name in ("schema_name", "table_name"))
        shown = schema == "information_schema" and table in INFORMATION_VIEWS
        if not shown and (schema not in OWN_SCHEMAS or table in inner_views):
            return f"{table} is not one of the recorder's tables and views: see docs/database.md."
    elif kind == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name", "")).lower()
        if name not in TABLE_FUNCTIONS:
            return f"{name}() is not allowed as a table: only the recorder's tables and views can be read."
    elif node.get("class") == "FUNCTION" and str(node.get("function_name", "")).lower() in REFUSED_FUNCTIONS:
        return f"{node['function_name']}() is not allowed in a query."
    return ""
