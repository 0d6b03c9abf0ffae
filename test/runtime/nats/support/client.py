"""Drives a NATS server with the public Python client; prints what happened as one JSON object."""
import asyncio
import json
import ssl
import sys

import nats


async def main(url, ca):
    seen = {}
    options = {"allow_reconnect": False, "connect_timeout": 5}
    try:
        await nats.connect(url, token="wrong", **options, **tls(ca))
        seen["wrong_token"] = "accepted"
    except Exception as error:
        seen["wrong_token"] = str(error)
    a = await nats.connect(url, token="secret", **options, **tls(ca))
    b = await nats.connect(url, token="secret", **options, **tls(ca))

    messages = []
    async def collect(message):
        messages.append([message.subject, message.data.decode(), dict(message.headers or {})])
    await b.subscribe("x.*.z", cb=collect)
    await b.flush()
    await a.publish("x.y.z", b"one", headers={"A": "b"})
    await a.publish("x.y", b"not this")
    await a.publish("x.q.z", b"two")
    await a.flush()
    await b.flush()
    seen["messages"] = messages

    async def echo(message):
        await message.respond(message.data[::-1])
    await b.subscribe("svc", queue="q", cb=echo)
    await b.flush()
    seen["reply"] = (await a.request("svc", b"abc", timeout=5)).data.decode()
    try:
        await a.request("nobody", b"", timeout=20)
    except nats.errors.NoRespondersError:
        seen["nobody"] = "no responders"

    large = await a.subscribe("large")
    await a.publish("large", bytes(1048576))
    seen["large"] = len((await large.next_msg(timeout=5)).data)

    limited = await a.subscribe("limited")
    await limited.unsubscribe(limit=2)
    for _ in range(3):
        await a.publish("limited", b"")
    await a.flush()
    count = 0
    try:
        while True:
            await limited.next_msg(timeout=0.2)
            count += 1
    except Exception:
        seen["limited"] = count
    await a.drain()
    await b.close()
    print(json.dumps(seen))


def tls(ca):
    if not ca:
        return {}
    return {"tls": ssl.create_default_context(cafile=ca), "tls_hostname": "localhost"}


asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
