# SPDX-License-Identifier: Apache-2.0
"""What is said to who writes to the address of a form, and the words by which decisions are known."""

from __future__ import annotations

from typing import Final

GRANT: Final = frozenset(
    "согласовать согласовано согласен согласна да утверждаю утвердить одобрить одобряю"
    " grant granted approve approved yes".split()
)
REFUSE: Final = frozenset(
    "отказать отказано отказ нет отклонить отклонено refuse refused reject rejected no deny".split()
)
WITHDRAW: Final = frozenset("отозвать отозвано отзываю отмена отменить withdraw cancel".split())

SUBJECTS: Final[dict[str, dict[str, str]]] = {
    "ru": {
        "wrong": "{title}: исправьте и отправьте ещё раз",
        "handed_in": "{title}: принято",
        "granted_at_once": "{title}: готово",
    },
    "en": {
        "wrong": "{title}: correct it and send it again",
        "handed_in": "{title}: handed in",
        "granted_at_once": "{title}: done",
    },
}
ANSWERS: Final[dict[str, dict[str, str]]] = {
    "ru": {
        "blank": "Ответьте на это письмо: допишите строки и отправьте.\n\n{blank}\n",
        "wrong": "Заявление не подано:\n{wrong}\n\nОтветьте на это письмо с исправленными строками.\n\n"
        "{blank}\n",
        "unknown": "строка {number}, «{line}»: такого поля нет",
        "handed_in": "Подано и ждёт решения. Понято так:\n\n{said}\n\n"
        "Чтобы отозвать, ответьте на это письмо словом «отозвать».\n",
        "granted_at_once": "Готово, лежит в Ваших файлах: {file}\n\n{said}\n",
        "too_many": "Не подано: слишком много Ваших заявлений уже ждут решения.\n",
        "nobody": "Не подано: согласовать это заявление сейчас некому. Обратитесь к администратору.\n",
        "gone": "Такого заявления нет, или оно не ждёт Вашего решения.\n",
        "decided": "По этому заявлению уже решено.\n",
        "comment": "Ничего не решено: в примечании не больше {limit} знаков.\n",
        "how_to_decide": "Ничего не решено. Ответьте на письмо с заявлением словом «согласовать» или\n"
        "«отказать» в первой строке; что стоит после него, — примечание.\n",
        "how_to_withdraw": "Ничего не изменено. Чтобы отозвать заявление, ответьте словом «отозвать».\n",
        "grant": "Записано: согласовано.\n\n{said}\n",
        "refuse": "Записано: отказано.\n\n{said}\n",
        "withdrawn": "Заявление отозвано.\n\n{said}\n",
    },
    "en": {
        "blank": "Reply to this message: complete the lines and send it.\n\n{blank}\n",
        "wrong": "Nothing was handed in:\n{wrong}\n\nReply to this message with the lines corrected.\n\n"
        "{blank}\n",
        "unknown": "line {number}, “{line}”: there is no such field",
        "handed_in": "Handed in, and waiting for a decision. It was understood so:\n\n{said}\n\n"
        "To withdraw it, reply to this message with the word “withdraw”.\n",
        "granted_at_once": "Done; it lies in your files: {file}\n\n{said}\n",
        "too_many": "Nothing was handed in: too many requests of yours wait for a decision already.\n",
        "nobody": "Nothing was handed in: there is nobody to decide it now. Ask your administrator.\n",
        "gone": "There is no such request, or it does not wait for your decision.\n",
        "decided": "This request is decided already.\n",
        "comment": "Nothing is decided: a comment has at most {limit} characters.\n",
        "how_to_decide": "Nothing is decided. Reply to the message of the request with the word “grant” or\n"
        "“refuse” in its first line; what follows it is a comment.\n",
        "how_to_withdraw": "Nothing is changed. To withdraw the request, reply with the word “withdraw”.\n",
        "grant": "Kept: granted.\n\n{said}\n",
        "refuse": "Kept: refused.\n\n{said}\n",
        "withdrawn": "The request is withdrawn.\n\n{said}\n",
    },
}
