# SPDX-License-Identifier: Apache-2.0
"""What `armgs doctor` says: Russian and English, in this order."""

from armgs_server.cli.findings import Texts

TEXTS: Texts = {
    # What was seen
    "configuration": ("{file}", "{file}"),
    "disk": ("свободно {free} ГиБ ({share})", "{free} GiB free ({share})"),
    "inodes": ("свободно записей для файлов: {free} ({share})", "{free} inodes free ({share})"),
    "fsync": ("надёжная запись {took} мс (медиана)", "a durable write takes {took} ms (median)"),
    "clock_kept": ("часы сверяются", "the clock is kept synchronised"),
    "clock_free": ("часы никто не сверяет", "nothing keeps the clock synchronised"),
    "clock_unknown": ("узнать о сверке часов нельзя", "whether the clock is kept cannot be seen here"),
    "clocks_apart": (
        "часы этого узла и базы данных расходятся на {apart} с",
        "the clocks of this host and of the database are {apart} s apart",
    ),
    "database": ("отвечает за {took} мс", "answers in {took} ms"),
    "failed": ("{error}", "{error}"),
    "queue": (
        "ждут отправки: {count}, задержано: {held}, самое старое письмо ждёт {hours} ч",
        "{count} wait to be sent, {held} are held, the oldest has waited for {hours} h",
    ),
    "certificate": (
        "годен ещё {days} дн., проверено имён: {names}",
        "valid for {days} more days, good for {names} names",
    ),
    "certificate_refused": (
        "клиенты не примут его для {names}: {reason}",
        "clients refuse it for {names}: {reason}",
    ),
    "certificate_unseen": ("порт {port}: {error}", "port {port}: {error}"),
    "authority": ("следующий сертификат {next}", "the next certificate on {next}"),
    "authority_waits": ("сертификата ещё нет", "it has made no certificate yet"),
    "authority_failed": (
        "не выдал сертификат, попыток {failures}: {error}",
        "no certificate after {failures} attempts: {error}",
    ),
    "authority_refused": ("не подтвердил имена: {names}", "does not vouch for {names}"),
    "worked": ("порт {port}: {seen}", "port {port}: {seen}"),
    "port_failed": ("порт {port}: {error}", "port {port}: {error}"),
    "proxied": (
        "соединения с этого узла должны начинаться с заголовка PROXY ([server] proxy_hosts)",
        "connections from this host must begin with a PROXY header ([server] proxy_hosts)",
    ),
    # What to do about it
    "make_room": (
        "освободите место, пока хранилище ещё может писать: armgs store, корзины, старые копии",
        "make room before the store cannot write: armgs store, trash, old backups",
    ),
    "slow_disk": (
        "столько ждёт каждое письмо: поможет диск с энергонезависимым кэшем записи",
        "every delivery waits this long: a disk with a protected write cache helps",
    ),
    "set_clock": (
        "включите сверку: systemctl enable --now systemd-timesyncd (или chrony с сервером времени сети)",
        "enable it: systemctl enable --now systemd-timesyncd (or chrony with your network's time server)",
    ),
    "look_at_queue": (
        "посмотрите причину: armgs queue list; повторить сейчас: armgs queue retry --all",
        "see why: armgs queue list; to try again now: armgs queue retry --all",
    ),
    "renew": (
        "armgs certificate renew, затем systemctl reload armgs; о своих сертификатах — раздел [tls]",
        "armgs certificate renew, then systemctl reload armgs; for certificates of your own see [tls]",
    ),
    "see_authority": (
        "проверьте [tls] acme_directory, acme_ca и видит ли он порт 80; затем armgs certificate renew",
        "see [tls] acme_directory, acme_ca and whether it reaches port 80; then armgs certificate renew",
    ),
    "name_dns": (
        "имя должно вести сюда: armgs dns check; повтор каждый день, сразу: armgs certificate renew",
        "the name must lead here: armgs dns check; tried every day, at once by armgs certificate renew",
    ),
    "start": (
        "запустите службу: systemctl start armgs (или armgs serve); причина остановки: journalctl -u armgs",
        "start the daemon: systemctl start armgs (or armgs serve); why it stopped: journalctl -u armgs",
    ),
    "see_log": (
        "посмотрите журнал: journalctl -u armgs -p warning --since -10min",
        "see the log: journalctl -u armgs -p warning --since -10min",
    ),
    "see_database": (
        "проверьте [store] url и работает ли база данных; свободно ли место на диске",
        "see [store] url, whether the database runs, and whether its disk has room",
    ),
    "elsewhere": (
        "запустите проверку с другого узла или через балансировщик",
        "run the check on another host, or through the balancer",
    ),
    # Around it
    "all_well": ("Всё работает.", "All is well."),
    "not_well": ("Найдено неисправностей: {problems}.", "Problems found: {problems}."),
    "columns": (
        "проверка,состояние,что видно,что делать",
        "check,status,detail,advice",
    ),
    "month_columns": (
        "служба,проверок,доступность,недоступна,последний сбой",
        "service,runs,availability,down,last failure",
    ),
    "month": (
        "{month}: измерено {measured} времени месяца до сих пор.",
        "{month}: {measured} of the month so far was measured.",
    ),
}
STATUSES: Texts = {
    "ok": ("в порядке", "ok"),
    "warning": ("внимание", "warning"),
    "problem": ("неисправность", "problem"),
    "skipped": ("пропущено", "skipped"),
}
