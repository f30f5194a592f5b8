# SPDX-License-Identifier: Apache-2.0
"""Texts of security keys and passkeys."""

from __future__ import annotations

TEXTS: dict[str, dict[str, str]] = {
    "ru": {
        "sign_in_passkey": "Войти ключом доступа",
        "sign_in_key_wrong": "Этим ключом войти не удалось. Войдите с паролем или попробуйте ещё раз.",
        "keys_title": "Ключи входа",
        "keys_intro": "Ключ — это брелок (USB, NFC) либо сам телефон или компьютер, который узнаёт Вас по "
        "ПИН-коду, пальцу или лицу. Им подтверждают вход после пароля; если ключ проверил владельца, пароль "
        "не нужен. Поддельный сайт ключом воспользоваться не может.",
        "keys_first": "С первым ключом вход на эти страницы по одному паролю прекратится: понадобится ещё "
        "ключ или код восстановления. Почтовым и другим программам понадобятся пароли программ: пароль "
        "учётной записи им больше не подойдёт.",
        "keys_list": "Мои ключи",
        "keys_name": "Название",
        "keys_example": "брелок, рабочий ноутбук",
        "keys_created": "Добавлен",
        "keys_used": "Последний вход",
        "keys_never": "ещё не было",
        "keys_remove": "Удалить",
        "keys_prove": "Чтобы что-то изменить, подтвердите, что это Вы",
        "keys_show": "Подтвердить ключом",
        "keys_code": "Код из приложения или код восстановления",
        "keys_add": "Новый ключ",
        "keys_add_button": "Добавить ключ",
        "keys_app": "Подключить приложение для одноразовых кодов",
        "keys_recovery": "Коды восстановления",
        "keys_again": "Подтверждение устарело. Подтвердите ещё раз.",
        "keys_wrong": "Ключ не подошёл.",
        "keys_known": "Такой ключ или ключ с таким названием уже есть.",
        "keys_too_many": "Больше ключей добавить нельзя: сначала удалите ненужный.",
        "keys_refused": "Ключ не добавлен: ответ браузера не подходит или запоздал. Попробуйте ещё раз.",
        "keys_failed": "Браузер не получил ответа от ключа. Попробуйте ещё раз.",
        "keys_script": "Чтобы добавить ключ, откройте эту страницу по её основному адресу в браузере с "
        "JavaScript, который умеет ключи.",
        "keys_no_name": "Сервер настроен без имени, только с адресом: ключи к нему не привязать.",
    },
    "en": {
        "sign_in_passkey": "Sign in with a passkey",
        "sign_in_key_wrong": "This key could not sign in. Use the password, or try again.",
        "keys_title": "Sign-in keys",
        "keys_intro": "A key is a token (USB, NFC), or the phone or computer itself, which knows you by PIN, "
        "finger or face. It confirms the sign-in after the password; where it has checked its owner, no "
        "password is needed. A forged site can make no use of it.",
        "keys_first": "With the first key the password alone signs in to these pages no more: it takes the "
        "key or a recovery code, too. Mail and other programs will need app passwords: the account's own "
        "is none for them any more.",
        "keys_list": "My keys",
        "keys_name": "Name",
        "keys_example": "token, laptop at work",
        "keys_created": "Added",
        "keys_used": "Last used",
        "keys_never": "never",
        "keys_remove": "Remove",
        "keys_prove": "To change anything, show that it is you",
        "keys_show": "Use a key",
        "keys_code": "Code from the app, or a recovery code",
        "keys_add": "A new key",
        "keys_add_button": "Add the key",
        "keys_app": "Set up an app for one-time codes",
        "keys_recovery": "Recovery codes",
        "keys_again": "That was too long ago. Show again that it is you.",
        "keys_wrong": "The key was not right.",
        "keys_known": "This key, or one of this name, is there already.",
        "keys_too_many": "There can be no more keys: remove one first.",
        "keys_refused": "The key was not added: the browser's answer was not right, or late. Try again.",
        "keys_failed": "The browser has got no answer from the key. Try again.",
        "keys_script": "To add a key, open this page at its main address in a browser with JavaScript that "
        "knows keys.",
        "keys_no_name": "The server has no name, only an address: keys cannot be bound to it.",
    },
}
