"""The floor: a bare aiogram and openai bot, as a competent developer writes it in an afternoon.

It keeps no word: it forgets all at a restart and loses what it was doing. Prowex is measured against it, so it is
never tuned and never changed.
"""

import os
import time
from collections import defaultdict, deque
from typing import Any

import uvloop
from aiogram import Bot, Dispatcher, F
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import Message, MessageEntity
from openai import AsyncOpenAI, OpenAIError
from telegramify_markdown import convert, split_entities

LIMIT = 4096
SYSTEM: Any = {"role": "system", "content": "You are a helpful assistant."}

bot = Bot(
    os.environ["TELEGRAM_BOT_TOKEN"],
    session=AiohttpSession(api=TelegramAPIServer.from_base(os.environ["TELEGRAM_API_URL"])),
)
model = AsyncOpenAI()
dispatcher = Dispatcher()
memory: defaultdict[int, deque[Any]] = defaultdict(lambda: deque(maxlen=20))


@dispatcher.message(F.text)
async def answer(message: Message) -> None:
    """Stream the model's answer into one message."""
    said = memory[message.chat.id]
    said.append({"role": "user", "content": message.text})
    sent = await message.answer("…")
    text, shown, edited_at = "", "", time.monotonic()
    try:
        stream = await model.chat.completions.create(
            model=os.environ["OPENAI_MODEL"], messages=[SYSTEM, *said], stream=True
        )
        async for chunk in stream:
            if chunk.choices:
                text += chunk.choices[0].delta.content or ""
            if text.strip() and time.monotonic() - edited_at >= 1:
                await sent.edit_text(text[:LIMIT])
                shown, edited_at = text, time.monotonic()
    except OpenAIError:
        text = text or "Sorry, something went wrong. Please try again."
    said.append({"role": "assistant", "content": text})
    for number, (part, marks) in enumerate(split_entities(*convert(text or "(no answer)"), LIMIT)):
        entities = [MessageEntity(**mark.to_dict()) for mark in marks]
        if number == 0 and part == shown and not entities:
            continue
        if number == 0:
            await sent.edit_text(part, entities=entities)
        else:
            await message.answer(part, entities=entities)


if __name__ == "__main__":
    uvloop.run(dispatcher.start_polling(bot))
