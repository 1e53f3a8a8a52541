#!/bin/sh
# What a sysadmin would write: gpg for each file, then one sftp batch for all, then the files out of the way.
#
# Settings come by environment: OUTBOX SEALED SENT, GNUPGHOME SIGNER RECIPIENT, FAR_HOST FAR_PORT FAR_USER FAR_FOLDER,
# LOGIN_KEY KNOWN_HOSTS. It trusts exit codes and believes what the server says; tests/bench/README.md lists the rest.
set -eu

mkdir -p "$SEALED" "$SENT"
batch=$SEALED/.batch
: > "$batch"
for file in "$OUTBOX"/*.csv; do
  name=${file##*/}.pgp
  gpg --batch --yes --quiet --trust-model always --local-user "$SIGNER" --recipient "$RECIPIENT" \
    --output "$SEALED/$name" --sign --encrypt "$file"
  printf 'put "%s" "%s/.%s.part"\nrename "%s/.%s.part" "%s/%s"\n' \
    "$SEALED/$name" "$FAR_FOLDER" "$name" "$FAR_FOLDER" "$name" "$FAR_FOLDER" "$name" >> "$batch"
done
sftp -q -b "$batch" -P "$FAR_PORT" -i "$LOGIN_KEY" -o BatchMode=yes -o "UserKnownHostsFile=$KNOWN_HOSTS" \
  "$FAR_USER@$FAR_HOST"
mv "$OUTBOX"/*.csv "$SENT"
