"""Provision: dashboards, data source, contact points, templates and rules into a running Grafana.

First everything is read (`scene`), then what is wanted is made of the shipped files and the
configuration (`wanted`), both are compared (`plan`), and only when nothing stands in the way is
anything written (`kinds`). Nothing is remembered outside Grafana: each item carries a stamp that
says whose it is and what it was when it was put there (`stamps`).
"""
