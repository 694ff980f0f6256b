"""What the command line does with a Grafana server: push the dashboards, write down what happens as annotations.

grafana-api takes a second to import: only `server` imports it, and only the commands that need it import `server`.
"""
