#!/bin/sh
# Makes the secrets that are missing: random passwords, the addresses that hold them, and an empty key of the endpoint.
# What is there stays. docker-compose.yml runs this before everything else; `make secrets` runs it here.
#
#   secrets.sh [FOLDER]        FOLDER: deploy/secrets beside this script
#
# Each service sees one folder of it. The files can be read by everybody, since a container's user is nobody here; FOLDER
# itself is closed to all but its owner.
set -eu
umask 022
cd "${1:-$(dirname "$0")/secrets}"
chmod 700 .

keep() { # keep FILE: what comes in becomes FILE, whole or not at all, and belongs to whom the checkout belongs
    cat > "$1.new"
    owner=$(stat -c %u:%g . 2> /dev/null || stat -f %u:%g .)
    [ "$owner" = "$(id -u):$(id -g)" ] || chown "$owner" "$1.new" "$(dirname "$1")"
    mv "$1.new" "$1"
}
password() { # password FILE
    [ -s "$1" ] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' | keep "$1"
}
stale() { # stale FILE PASSWORD: FILE is to be written, since it is not there or older than the password in it
    [ ! -s "$1" ] || [ -n "$(find "$2" -newer "$1")" ]
}

mkdir -p postgres rabbitmq owner service endpoint bucket
for role in superuser owner service reader; do
    password "postgres/$role"
done
for role in owner service; do
    case $role in owner) user=longhand_owner ;; *) user=longhand ;; esac
    if stale "$role/database_url" "postgres/$role"; then
        echo "postgres://$user:$(cat "postgres/$role")@postgres:5432/longhand" | keep "$role/database_url"
    fi
done
if [ ! -s rabbitmq/credentials.conf ]; then
    { echo 'default_user = longhand'; echo "default_pass = $(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')"; } \
        | keep rabbitmq/credentials.conf
fi
if stale service/queue_url rabbitmq/credentials.conf; then
    echo "amqp://longhand:$(sed -n 's/^default_pass = //p' rabbitmq/credentials.conf)@rabbitmq:5672/%2f" | keep service/queue_url
fi
[ -e endpoint/api_key ] || keep endpoint/api_key < /dev/null
# The key of the bucket: MinIO takes any; another store's is put here by hand.
for part in access_key_id secret_access_key; do
    [ -s "bucket/$part" ] || od -An -N16 -tx1 /dev/urandom | tr -d ' \n' | keep "bucket/$part"
done
