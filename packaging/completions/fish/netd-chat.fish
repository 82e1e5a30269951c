# Completes netd-chat(1) in fish.

complete -c netd-chat -f -a '(__fish_print_hostnames)' -d Server
complete -c netd-chat -s h -l help -d 'Show help'
complete -c netd-chat -l version -d 'Show the version'
complete -c netd-chat -l name -x -d 'Your nick'
complete -c netd-chat -l host -x -a '(__fish_print_hostnames)' -d 'Host name of the server'
complete -c netd-chat -l port -x -d 'Port of the server'
complete -c netd-chat -l tls -d 'Use TLS, and verify the server'
complete -c netd-chat -l ca-file -rF -d 'Trusted CA certificates'
complete -c netd-chat -l certificate -rF -d 'Your certificate and its key'
complete -c netd-chat -l channel -x -d 'A channel to join'
complete -c netd-chat -l password-file -rF -d 'File with the password'
complete -c netd-chat -l send -x -d 'Send one message and leave'
complete -c netd-chat -l json -d 'Print every event as JSON'
complete -c netd-chat -l timeout -x -d 'Time limit for the server'
complete -c netd-chat -l quiet -d 'Hide join and leave notices'
complete -c netd-chat -l plain -d 'Print lines, without a full-screen view'
complete -c netd-chat -l config -rF -d 'Settings file'
