"""What of a dYdX session is in a file: nothing that names anybody, and everything that a gateway needs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox_cli.sessions.dydx_names import account_name
from signalbox_cli.sessions.dydx_redaction import DydxRedaction
from signalbox_cli.sessions.pseudonyms import Pseudonyms
from signalbox_cli.simulated_venues import TEST_ACCOUNT

ADDRESS = "dydx14zzueazeh0hj67cghhf9jypslcf9sh2n5k6art"
OTHER = "dydx1slanxj8x9ntk9knwa6cvfv2tzlsq5gk3dshml0"
ORDER = "8ad36d40-a3b8-5eee-9b5f-a14a5ba5f6c1"
HASH = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08"
SECRETS = (ADDRESS, OTHER, ORDER, HASH, "Wilhelmina", "415926535")

names = st.sampled_from(
    [
        *("id", "orderId", "address", "subaccountId", "clientId", "clientMetadata", "memo", "message", "symbol"),
        *("status", "type", "side", "ticker", "market", "transactionHash", "sender", "unheardOf"),
    ]
)
texts = st.sampled_from([*SECRETS, *(each.upper() for each in SECRETS), *(f"of {each}." for each in SECRETS)])
values = st.recursive(
    texts | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | texts, inner, max_size=4),
    max_leaves=12,
)


def redaction() -> DydxRedaction:
    made = DydxRedaction(Pseudonyms(["Wilhelmina"]))
    account_name(f"{ADDRESS}-0", made.names)
    return made


@given(values)
def test_no_secret_is_in_the_file_wherever_it_stands(value: object) -> None:
    text = redaction().json(json.dumps({"contents": value}))
    assert text is not None
    found = [secret for secret in SECRETS[:-1] if secret.lower() in text.lower()]
    assert not found, text


def test_a_number_that_somebody_chose_has_another_name() -> None:
    text = redaction().json(json.dumps({"clientId": "415926535", "clientMetadata": 415926535, "quantity": "415926535"}))
    assert json.loads(text or "") == {"clientId": "1", "clientMetadata": 1, "quantity": "415926535"}


def test_the_account_is_the_test_keys_and_others_are_others() -> None:
    made = redaction()
    told = {"subaccountNumber": 0, "sender": {"address": ADDRESS}, "recipient": {"address": OTHER.upper()}}
    kept = json.loads(made.json(json.dumps(told)) or "")
    assert f"{kept['sender']['address']}-{kept['subaccountNumber']}" == TEST_ACCOUNT
    assert kept["recipient"]["address"] not in (OTHER, kept["sender"]["address"])


def test_the_same_order_has_the_same_name_everywhere() -> None:
    made = redaction()
    listed = json.loads(made.json(json.dumps([{"id": ORDER}])) or "")[0]["id"]
    assert json.loads(made.json(json.dumps({"orderId": ORDER.upper()})) or "") == {"orderId": listed}
    assert made.question(f"/v4/orders/{ORDER}", {}) == (f"/v4/orders/{listed}", "")


@pytest.mark.parametrize(
    "told",
    [
        {"type": "channel_data", "channel": "v4_orderbook", "id": "BTC-USD", "contents": {"bids": [["100001", "0"]]}},
        {"type": "subscribe", "channel": "v4_candles", "id": "FARTCOIN,RAYDIUM,9BB6-USD/1MIN", "batched": True},
        {"markets": {"BTC-USD": {"clobPairId": "0", "status": "ACTIVE", "oraclePrice": "1.5", "marketType": "CROSS"}}},
        {"contents": {"assetPositions": [{"symbol": "USDC", "side": "LONG", "size": "10", "assetId": "0"}]}},
        {"contents": {"blockHeight": "7", "time": "2024-03-05T14:30:03.397Z"}},
        {"orders": [{"side": "BUY", "status": "BEST_EFFORT_CANCELED", "timeInForce": "IOC", "totalFilled": "0.01"}]},
    ],
)
def test_what_a_gateway_needs_stays(told: dict[str, object]) -> None:
    assert json.loads(redaction().json(json.dumps(told)) or "") == told


@pytest.mark.parametrize("path", ["/v4/trader/search", "/v4/affiliates/metadata", f"/v4/addresses/{ADDRESS}", "/"])
def test_questions_that_no_gateway_asks_are_withheld(path: str) -> None:
    assert redaction().question(path, {"address": ADDRESS}) is None


@pytest.mark.parametrize(("number", "name"), [("0", "0"), ("5", "1"), ("133", "129"), ("128", "128"), ("77", "2")])
def test_a_child_is_a_child_of_its_parent(number: str, name: str) -> None:
    made = redaction()
    made.json(json.dumps({"subaccountNumber": "5"}))
    made.json(json.dumps({"subaccountNumber": "133"}))
    assert json.loads(made.json(json.dumps({"subaccountNumber": number})) or "") == {"subaccountNumber": name}


@given(st.binary(max_size=60))
def test_any_bytes_end_nothing(data: bytes) -> None:
    redaction().json(data)
    redaction().question(data.decode("latin-1"), {"id": data.decode("latin-1")})
