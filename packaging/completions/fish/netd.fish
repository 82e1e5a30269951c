# Completes netd(8) in fish.

# The listeners a configuration declares; a name has letters, digits, - and _ only.
function __netd_listeners
    set -l words (commandline -opc)
    set -l file (string replace -rf -- '^--config=(.*)' '$1' $words)[-1]
    if set -l at (contains -i -- --config $words)
        set file $words[(math $at + 1)]
    end
    set file (string replace -r -- '^~/' "$HOME/" "$file")
    if test -z "$file"
        set file /etc/netd.toml
        if not test -e $file
            set -l base "$XDG_CONFIG_HOME"
            test -n "$base"; or set base $HOME/.config
            set file $base/netd/netd.toml
        end
    end
    test -f "$file"; or return
    sed -n 's/^[[:blank:]]*\[listeners\."\{0,1\}\([A-Za-z0-9_-]*\)"\{0,1\}\].*/\1/p' -- $file 2>/dev/null
end

set -l commands run check reload upgrade status probe config account setup backup passwd
set -l actions list add passwd suspend unsuspend drop erase
set -l first "not __fish_seen_subcommand_from $commands"
set -l reads_file '__fish_seen_subcommand_from run check reload upgrade status probe config account backup'

complete -c netd -f
complete -c netd -s h -l help -d 'Show help'
complete -c netd -n $first -l version -d 'Show the version'
complete -c netd -n $reads_file -l config -rF -d 'The configuration'
complete -c netd -n $first -a run -d 'Serve until a signal stops the daemon'
complete -c netd -n $first -a check -d 'Find every fault of the configuration'
complete -c netd -n $first -a reload -d 'Apply the changed configuration'
complete -c netd -n $first -a upgrade -d 'Continue with the installed version'
complete -c netd -n $first -a status -d 'Show listeners and workers'
complete -c netd -n $first -a probe -d 'Speak to each listener as a client'
complete -c netd -n $first -a config -d 'Print a configuration or its schema'
complete -c netd -n $first -a account -d 'Show or change the accounts of a chat'
complete -c netd -n $first -a setup -d 'Install units, manuals and completions'
complete -c netd -n '__fish_seen_subcommand_from setup' -l prefix -rF -d 'Directory of manuals'
complete -c netd -n '__fish_seen_subcommand_from setup' -l root -rF -d 'Install below it'
complete -c netd -n '__fish_seen_subcommand_from setup' -l remove -d 'Remove the files'
complete -c netd -n $first -a backup -d 'Write configuration and databases to a file'
complete -c netd -n '__fish_seen_subcommand_from backup' -F
complete -c netd -n $first -a passwd -d 'Print the hash of a password'
complete -c netd -n '__fish_seen_subcommand_from check' -l as -xa '(__fish_complete_users)' -d 'As user'
complete -c netd -n '__fish_seen_subcommand_from reload' -l quiet -d 'Print no outcome'
complete -c netd -n '__fish_seen_subcommand_from status' -l json -d 'Print JSON'
complete -c netd -n '__fish_seen_subcommand_from status' -l watch -d 'Show it each second'
complete -c netd -n '__fish_seen_subcommand_from passwd' -l scram -d 'Keys of SCRAM-SHA-256'
complete -c netd -n '__fish_seen_subcommand_from probe' -a '(__netd_listeners)' -d Listener
complete -c netd -n '__fish_seen_subcommand_from probe' -l count -x -d 'Number of rounds'
complete -c netd -n '__fish_seen_subcommand_from probe' -l interval -x -d 'Seconds between rounds'
complete -c netd -n '__fish_seen_subcommand_from probe' -l timeout -x -d 'Seconds for a reply'
complete -c netd -n '__fish_seen_subcommand_from probe' -l prometheus -rF -d 'Write metrics'
complete -c netd -n '__fish_seen_subcommand_from config' -a show -d 'Every value in effect'
complete -c netd -n '__fish_seen_subcommand_from config' -a default -d 'Every key, explained'
complete -c netd -n '__fish_seen_subcommand_from config' -a schema -d 'JSON Schema'
set -l account "__fish_seen_subcommand_from account; and not __fish_seen_subcommand_from $actions"
complete -c netd -n $account -a "$actions"
complete -c netd -n '__fish_seen_subcommand_from account' -l listener -xa '(__netd_listeners)' -d Listener
complete -c netd -n '__fish_seen_subcommand_from account' -l reason -x -d 'Why it is suspended'
