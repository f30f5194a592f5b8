# SPDX-License-Identifier: Apache-2.0
"""What `armgs quickstart` asks and says: Russian and English, in this order."""

from armgs_server.cli.findings import Texts

TEXTS: Texts = {
    # Asked
    "ask_domain": ("Домен адресов (то, что после @)", "Domain of the addresses (what stands after the @)"),
    "ask_hostname": ("Имя этого сервера", "Name of this server"),
    "ask_administrator": ("Адрес первого администратора", "Address of the first administrator"),
    "ask_name": ("Его фамилия, имя и отчество", "Their full name"),
    # Looked at
    "resolves": ("{name} — это {addresses}", "{name} is {addresses}"),
    "unresolved": ("имя {name} ещё никому не известно", "nobody knows the name {name} yet"),
    "elsewhere": (
        "{name} — это {addresses}, а этот узел — {own}",
        "{name} is {addresses}, but this host is {own}",
    ),
    "ports_free": ("свободны все: {ports}", "all are free: {ports}"),
    "ports_taken": ("{error}", "{error}"),
    "ports_forbidden": (
        "эта учётная запись не вправе занимать порты ниже 1024; systemd займёт их сам",
        "this user may not take ports below 1024; systemd takes them itself",
    ),
    "certificate_own": (
        "сделан свой удостоверяющий центр: его сертификат предлагает стартовая страница",
        "a CA of your own was made: the start page offers its certificate",
    ),
    "dns_there": ("все нужные записи опубликованы", "all records that are needed are published"),
    "dns_missing": ("ещё не опубликовано: {count}", "not published yet: {count}"),
    # Advised
    "publish": (
        "внесите записи из {zone} в DNS, затем armgs dns check",
        "put the records of {zone} into the DNS, then armgs dns check",
    ),
    "correct_address": (
        "исправьте запись или [server] hostname; за NAT так и должно быть",
        "correct the record, or [server] hostname; behind NAT it is as it should be",
    ),
    "free_port": (
        "остановите ту программу (ss -ltnp покажет её) или задайте --port-offset",
        "stop that program (ss -ltnp shows it), or give --port-offset",
    ),
    # Done
    "columns": ("проверка,состояние,что видно,что делать", "check,status,detail,advice"),
    "made": (
        "Готово: {configuration}\n"
        "Администратор: {administrator}\n"
        "Пароль (показан один раз): {password}\n"
        "Приглашение для первого коллеги: {invitation}\n"
        "Записи DNS: {zone}\n",
        "Done: {configuration}\n"
        "Administrator: {administrator}\n"
        "Password (shown this once): {password}\n"
        "Invitation for the first colleague: {invitation}\n"
        "DNS records: {zone}\n",
    ),
    "next": (
        "Дальше:\n  1. {serve}\n  2. откройте {page} и войдите\n  3. {doctor}\n",
        "Next:\n  1. {serve}\n  2. open {page} and log in\n  3. {doctor}\n",
    ),
}
