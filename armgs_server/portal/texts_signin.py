# SPDX-License-Identifier: Apache-2.0
"""Texts of signing in, and of what every page of a person has."""

TEXTS: dict[str, dict[str, str]] = {
    "ru": {
        "sign_in": "Вход",
        "sign_in_password": "Пароль",
        "sign_in_button": "Войти",
        "sign_in_wrong": "Адрес или пароль не подходят.",
        "sign_in_wait": "Слишком много неудачных попыток. Подождите минуту и попробуйте снова.",
        "sign_in_again": "Страница устарела или браузер не хранит cookie. Введите адрес и пароль ещё раз.",
        "sign_in_hint": "Здесь нужен пароль учётной записи. Пароли программ не подходят.",
        "sign_in_provider": "Войти через {name}",
        "sign_in_provider_failed": "Вход через внешний сервис не удался. Попробуйте ещё раз или обратитесь к "
        "администратору.",
        "sign_in_provider_away": "Внешний сервис входа сейчас недоступен. Попробуйте позже.",
        "own_title": "Моё",
        "sign_out": "Выйти",
        "changed_meanwhile": "Это уже изменилось. Откройте страницу снова.",
        "not_for_you": "Это Вам недоступно.",
        "form_wrong": "Форма устарела. Откройте страницу снова и повторите.",
        "navigation": "Разделы",
        "skip": "К содержанию",
    },
    "en": {
        "sign_in": "Sign in",
        "sign_in_password": "Password",
        "sign_in_button": "Sign in",
        "sign_in_wrong": "The address or the password is wrong.",
        "sign_in_wait": "Too many attempts have failed. Wait a minute and try again.",
        "sign_in_again": "The page is out of date, or the browser keeps no cookies. Enter address and "
        "password again.",
        "sign_in_hint": "This takes the account's password. Passwords of programs are not for here.",
        "sign_in_provider": "Sign in by {name}",
        "sign_in_provider_failed": "Signing in by the outside service has failed. Try again, or ask your "
        "administrator.",
        "sign_in_provider_away": "The outside service cannot be reached now. Try later.",
        "own_title": "Mine",
        "sign_out": "Sign out",
        "changed_meanwhile": "It has changed meanwhile. Open the page again.",
        "not_for_you": "This is not for you.",
        "form_wrong": "The form is out of date. Open the page again and repeat.",
        "navigation": "Sections",
        "skip": "To the content",
    },
}
