"""The Grafana dashboards as Python: `python -m dashboards` writes deploy/grafana/dashboards/*.json.

A dashboard is data (`specification`), one module each; `drawing` turns it into Grafana's JSON with the types of
grafana-foundation-sdk. Development only: no service and no command imports this package.
"""
