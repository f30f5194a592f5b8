# SPDX-License-Identifier: Apache-2.0
"""Texts of the page that says how files become a drive of the computer."""

TEXTS: dict[str, dict[str, str]] = {
    "ru": {
        "mount_title": "Файлы как диск или папка",
        "mount_intro": "Файлы рабочего места открываются в обычных программах. Имя для входа — полный "
        "адрес, пароль — учётной записи или пароль программы.",
        "mount_address": "Для этого адреса строку для командной оболочки составить нельзя.",
        "mount_open": "Адрес для окна подключения",
        "mount_type": "Или наберите",
        "mount_windows": "Windows",
        "mount_windows_text": "Один раз на компьютере запустите файл настроек (нужен администратор) и "
        "перезагрузитесь: без него Windows не открывает файлы больше 50 МБ. Затем в Проводнике: «Этот "
        "компьютер» → «Подключить сетевой диск», вставьте адрес и отметьте «Использовать другие учётные "
        "данные».",
        "mount_windows_registry": "Скачать настройки Windows (armgs.reg)",
        "mount_windows_script": "Скачать сценарий подключения диска P: (armgs.cmd)",
        "mount_macos": "macOS",
        "mount_macos_text": "Finder: «Переход» → «Подключение к серверу» (⌘K), вставьте адрес.",
        "mount_gnome": "GNOME (Файлы)",
        "mount_gnome_text": "«Другие места» → «Подключиться к серверу», вставьте адрес.",
        "mount_kde": "KDE (Dolphin)",
        "mount_kde_text": "Вставьте адрес в адресную строку Dolphin.",
        "mount_rclone": "rclone (любая система)",
        "mount_rclone_text": "Папка с запасом на диске: файлы открываются и при медленной связи.",
        "mount_davfs2": "davfs2 (Linux без графики)",
        "mount_davfs2_text": "Имя и пароль davfs2 спросит; чтобы не спрашивал, запишите их в "
        "~/.davfs2/secrets.",
        "mount_versions": "Удалённое лежит в папке .trash, прежние состояния файлов — в папке .versions: "
        "откройте её, найдите файл и скопируйте нужное состояние поверх него. В других папках наберите "
        "/.versions/ в адресе: там она не показана.",
    },
    "en": {
        "mount_title": "Files as a drive or a folder",
        "mount_intro": "Files of the workplace open in ordinary programs. The log-in name is your whole "
        "address, the password that of the account or one made for a program.",
        "mount_address": "No line for a shell can be made for this address.",
        "mount_open": "Address for the window that connects",
        "mount_type": "Or type",
        "mount_windows": "Windows",
        "mount_windows_text": "Once for a computer, run the settings file (as an administrator) and "
        "restart: without it Windows opens no file above 50 MB. Then in Explorer: This PC → Map network "
        "drive, paste the address and tick 'Connect using different credentials'.",
        "mount_windows_registry": "Download the settings for Windows (armgs.reg)",
        "mount_windows_script": "Download the script that connects drive P: (armgs.cmd)",
        "mount_macos": "macOS",
        "mount_macos_text": "Finder: Go → Connect to Server (⌘K), paste the address.",
        "mount_gnome": "GNOME (Files)",
        "mount_gnome_text": "Other Locations → Connect to Server, paste the address.",
        "mount_kde": "KDE (Dolphin)",
        "mount_kde_text": "Paste the address into Dolphin's location bar.",
        "mount_rclone": "rclone (any system)",
        "mount_rclone_text": "A folder that keeps a copy on disk: files open over slow lines, too.",
        "mount_davfs2": "davfs2 (Linux without a desktop)",
        "mount_davfs2_text": "It asks for name and password; write them into ~/.davfs2/secrets to be "
        "asked no more.",
        "mount_versions": "What was deleted is in the folder .trash, earlier states of files in "
        ".versions: open it, find the file and copy the state over it. In other folders add /.versions/ "
        "to the address: it is not shown there.",
    },
}
