# Makes sealdrop@.service, one instance for each SEC Party, out of sealdrop.service: everything of a party is its own.
s|^Description=.*|& for %i|
s|/etc/sealdrop/sealdrop\.toml|/etc/sealdrop/%i.toml|
s|/var/lib/sealdrop$|&-%i|
s#^\(StateDirectory\|RuntimeDirectory\|User\|Group\)=sealdrop$#&-%i#
