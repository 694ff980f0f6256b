"""An IB Gateway to develop and test against: the server side of the TWS socket protocol at server version 178,
and for older clients down to 157.

Owns the protocol, the rules of the API and its error codes. The market, the matching and the books are the
`simulators.world` that it serves. It must not know who connects: any ib_async or ibapi program may.

    wire           frames and text fields
    requests       what clients send, parsed;  place_order  the long one
    replies        what the gateway sends;     order_replies  the long ones
    versions       what is different for older clients
    contracts      which contract a description means
    orders         placing, modifying, cancelling and reporting orders
    market_data    ticks and 5-second bars;    history  bars of the past
    accounts       values, positions, profit and loss
    pacing         how much a client may ask
    faults         how the gateway is told to misbehave
    session        one client's connection;    server  all of them
"""
