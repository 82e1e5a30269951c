# Completes netd-chat(1) in fish.

complete -c netd-chat -f -a '(__fish_print_hostnames)' -d Server
complete -c netd-chat -s h -l help -d 'Show help'
complete -c netd-chat -l version -d 'Show the version'
complete -c netd-chat -l name -x -d 'Your name in the room'
complete -c netd-chat -l host -x -a '(__fish_print_hostnames)' -d 'The server'
complete -c netd-chat -l port -x -d 'Its port'
complete -c netd-chat -l tls -d 'Encrypt, and check the certificate'
complete -c netd-chat -l ca-file -rF -d 'Certificates to trust'
complete -c netd-chat -l certificate -rF -d 'Your certificate and its key'
complete -c netd-chat -l channel -x -d 'Join it'
complete -c netd-chat -l password-file -rF -d 'Where the password is'
complete -c netd-chat -l send -x -d 'Send one message and leave'
complete -c netd-chat -l json -d 'Print what happens as JSON'
complete -c netd-chat -l timeout -x -d 'How long to wait for the server'
complete -c netd-chat -l quiet -d 'Do not tell who joins and leaves'
complete -c netd-chat -l config -rF -d Settings
