"""The demo: a made-up site whose two weeks hold the story, sent through the real commands.

`world` is the site as tables, `story` makes its flows and what is true of them, `encode` turns
flows into datagrams and `capture` these into a file; `run` does the whole for `flowsleuth demo`,
`report` asks InfluxDB what the engineer would ask.
"""
