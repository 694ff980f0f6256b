"""`signalbox doctor`: is this desk fit to trade, and fit for real money?

`facts` is what can be observed, `nats_facts`, `people_facts`, `monitoring_facts` and `file_facts` observe it, `judging`
makes a verdict of each fact, `commands` prints them.
"""
