"""How many words of a command name what it does: `git push origin` is "git push". Pure.

Used for the "always allow" pattern of a bash permission: the longest known prefix decides, an unknown program counts
as one word. Source of the groups: OpenCode 1.18.33.
"""

from collections.abc import Sequence

_ONE = (
    "cat cd chmod chown cp echo env export grep kill killall ln ls mkdir mv ps pwd rm rmdir sleep source tail touch "
    "unset which"
)

_TWO = (
    "bazel brew bun cargo cdk cf cmake composer consul crictl deno docker eksctl firebase flyctl git go gradle helm "
    "heroku hugo ip kind kubectl kustomize make mc minikube mongosh mysql mvn ng npm nvm nx openssl pip pipenv pnpm "
    "podman poetry psql pulumi pyenv python rake rbenv redis-cli rustup serverless skaffold sls sst swift systemctl "
    "terraform tmux turbo ufw vault vercel volta wp yarn"
)

_THREE = (
    "aws az doctl gcloud gh sfdx",
    "bun run,bun x",
    "cargo add,cargo run",
    "consul kv",
    "deno task",
    "docker builder,docker compose,docker container,docker image,docker network,docker volume",
    "eksctl create",
    "git config,git remote,git stash",
    "ip addr,ip link,ip netns,ip route",
    "kind create",
    "kubectl kustomize,kubectl rollout",
    "mc admin",
    "npm exec,npm init,npm run,npm view",
    "openssl req,openssl x509",
    "pnpm dlx,pnpm exec,pnpm run",
    "podman container,podman image",
    "pulumi stack",
    "terraform workspace",
    "vault auth,vault kv",
    "yarn dlx,yarn run",
)

ARITY: dict[str, int] = {
    **dict.fromkeys(_ONE.split(), 1),
    **dict.fromkeys(_TWO.split(), 2),
    **dict.fromkeys(_THREE[0].split(), 3),
    **{group: 3 for line in _THREE[1:] for group in line.split(",")},
}
"""Words to keep, by the prefix that decides."""


def prefix(words: Sequence[str]) -> list[str]:
    """Return the leading words that say what a command does."""
    for length in range(len(words), 0, -1):
        arity = ARITY.get(" ".join(words[:length]))
        if arity is not None:
            return list(words[:arity])
    return list(words[:1])
