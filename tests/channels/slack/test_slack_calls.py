"""Every call to the Web API is a POST that says everything in its body."""

from typing import Any

from aiohttp import web

from channels.slack.client import open_client


async def test_every_call_is_a_post_with_its_arguments_in_the_body() -> None:
    heard: dict[str, tuple[str, str, dict[str, Any]]] = {}

    async def answer(request: web.Request) -> web.Response:
        body = await request.json() if request.content_type == "application/json" else dict(await request.post())
        heard[request.path.removeprefix("/")] = (request.method, request.query_string, body)
        assert request.headers["Authorization"] in ("Bearer xoxb-1", "Bearer xapp-1")
        return web.json_response({"ok": True})

    app = web.Application()
    app.router.add_route("*", "/{method}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client: Any = open_client("xoxb-1", f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        await client.auth_test()
        await client.apps_connections_open(app_token="xapp-1")
        await client.users_info(user="U1")
        await client.conversations_replies(channel="C1", ts="1.2", include_all_metadata=True, limit=200, cursor=None)
        await client.files_completeUploadExternal(files=[{"id": "F1", "title": "ü&"}], channel_id="C1")
        await client.chat_postMessage(channel="C1", text="hi")
    finally:
        await client.session.close()
        await runner.cleanup()
    assert {(method, query) for method, query, _ in heard.values()} == {("POST", "")}
    replies = {"channel": "C1", "ts": "1.2", "include_all_metadata": "1", "limit": "200"}
    assert {name: heard["conversations.replies"][2].get(name) for name in replies} == replies
    assert heard["users.info"][2]["user"] == "U1"
    assert heard["files.completeUploadExternal"][2]["channel_id"] == "C1"
    assert "ü&" in heard["files.completeUploadExternal"][2]["files"].encode().decode("unicode_escape")
    assert heard["chat.postMessage"][2]["text"] == "hi"
