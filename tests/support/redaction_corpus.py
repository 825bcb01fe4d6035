"""Texts with a made-up secret in each, and texts without any: from tables, by a seed, the same in every run."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SIZE = 300


@dataclass(frozen=True, slots=True)
class Plant:
    """A text, and the part of it that nobody may see."""

    text: str
    secret: str


NAMES = [
    *(
        "password",
        "db_password",
        "PGPASSWORD",
        "database.password",
        "rootPassword",
        "passwd",
        "pwd",
    ),
    *(
        "SNOWSQL_PWD",
        "db_pass",
        "passphrase",
        "secret",
        "client_secret",
        "clientSecret",
        "secret-key",
    ),
    *("aws_secret_access_key", "awsSecretAccessKey", "AWS_SESSION_TOKEN", "token", "auth_token"),
    *(
        "access-token",
        "refresh_token",
        "GITHUB_TOKEN",
        "hfToken",
        "api_key",
        "apikey",
        "API-KEY",
        "x-api-key",
    ),
    *(
        "openaiApiKey",
        "private_key",
        "ssh_key",
        "license_key",
        "encryption_key",
        "account.key",
        "signing_key",
    ),
    *(
        "connection_string",
        "credentials",
        "session_key",
        "oauth_token",
        "MYSQL_ROOT_PASSWORD",
        "keypass",
    ),
]
"""Names of fields, in the spellings that people write."""
FORMS = [
    *(
        "{n}={s}",
        "{n}: {s}",
        "{n} = {s}",
        '"{n}": "{s}"',
        "{n} = '{s}'",
        "export {n}={s}",
        "--{n} {s}",
        "--{n}={s}",
    ),
    *(
        "run.sh --config {n}={s} alpha=1",
        "cannot connect: host=db;{n}={s};encrypt=true",
        "https://h/p?{n}={s}&a=1",
    ),
    *(
        "['--{n}', '{s}']",
        "os.environ['{n}'] = '{s}'",
        '{{\\"{n}\\": \\"{s}\\"}}',
        "<{n}>{s}</{n}>",
    ),
    *(
        "configs: topic=shop,{n}={s}",
        "failed with {n}={s} at line 3",
        "host=db user=me {n}={s} dbname=x",
    ),
]
"""How a name and its value stand in texts."""
SHAPES = [
    *(
        "postgresql://me:{s}@db:5432/x",
        "https://{s}@github.com/a/b.git",
        "https://oauth2:{s}@gitlab.com/a.git",
    ),
    *("jdbc:oracle:thin:scott/{s}@//h:1521/svc", "jdbc:vertica://h:5433/db?user=u&password={s}"),
    *(
        "Authorization: Bearer {s}",
        "Authorization: Basic {s}==",
        "curl -H 'Authorization: token {s}' https://h",
    ),
    *(
        "curl -u ann:{s} http://h",
        "mysql -u me -p{s} db",
        "sshpass -p {s} ssh h",
        "machine h login u password {s}",
    ),
    *(
        "github_pat_{s}{s}",
        "ghp_{s}{s}",
        "glpat-{s}",
        "hf_{s}{s}",
        "sk-{s}{s}",
        "sk-ant-api03-{s}{s}",
        "npm_{s}{s}",
    ),
    *(
        "pypi-{s}{s}",
        "sk_live_{s}",
        "xoxb-123456789012-{s}",
        "SG.{s}.{s}{s}",
        "AIza{s}0a1B2c3D4e5F6g7",
        "dckr_pat_{s}",
    ),
    *(
        "https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Signature={s}",
        "https://a.net/c/b?sv=1&sig={s}",
    ),
    *("https://storage.googleapis.com/b/k?X-Goog-Signature={s}", "eyJhbGciOiJIUzI1NiJ9.{s}.{s}"),
    *("AccountName=a;AccountKey={s}==;EndpointSuffix=x", "Cookie: session={s}", "X-API-Key: {s}"),
    *(
        "https://hooks.slack.com/services/T0/B0/{s}",
        "CREATE USER bob WITH PASSWORD '{s}'",
        "Server=h;Uid=u;Pwd={s};",
    ),
    *(
        "COPY t FROM 's3://b' CREDENTIALS 'aws_access_key_id=x;aws_secret_access_key={s}'",
        "ann:{s}@db.example.org:5432",
    ),
    *(
        "-----BEGIN RSA PRIVATE KEY-----\n{s}\n{s}\n-----END RSA PRIVATE KEY-----",
        "requests.get(u, auth=('ann', '{s}'))",
    ),
    *("redis://:{s}@cache:6379/0", "spark.hadoop.fs.azure.account.key.x.dfs.core.windows.net={s}"),
]
"""Secrets that are known by how they look, or by what they stand in."""


def plants(seed: int = 18, size: int = SIZE) -> list[Plant]:
    """Every shape, then forms and names at random."""
    chance = random.Random(seed)
    plants = [_plant(chance, shape, "") for shape in SHAPES for _ in range(2)]
    while len(plants) < size:
        plants.append(_plant(chance, chance.choice(FORMS), chance.choice(NAMES)))
    return plants


def _plant(chance: random.Random, template: str, name: str) -> Plant:
    letters = string.ascii_letters + string.digits
    secret = "".join(chance.choices(letters, k=22)) + "7q"
    return Plant(template.format(n=name, s=secret), secret)


def harmless() -> list[str]:
    """Sentences of the docs, lines of the sources, commands, parameters, paths and hashes: at least 500."""
    chance = random.Random(7)
    texts = [*_COMMANDS, *_paths_and_hashes(chance)]
    for pattern, size in (
        ("docs/*.md", 400),
        ("lamin_core/**/*.py", 400),
        ("openlineage/lamin/**/*.py", 300),
    ):
        lines = [
            line.rstrip()
            for path in sorted(ROOT.glob(pattern))
            for line in path.read_text("utf-8").splitlines()
        ]
        texts += chance.sample(
            [line for line in lines if len(line) > 20 and "redact" not in line], size
        )
    return texts


def _paths_and_hashes(chance: random.Random) -> list[str]:
    texts = []
    for _ in range(60):
        digest = "".join(chance.choices("0123456789abcdef", k=chance.choice((32, 40, 64))))
        uid = "".join(chance.choices(string.ascii_letters + string.digits, k=20))
        texts += [
            digest,
            uid,
            f"sha256:{digest}",
            f"/data/run_{uid}/sample_1.bam",
            f"s3://bucket/raw/{uid}/a.parquet",
        ]
    return texts


_COMMANDS = [
    *(
        "bwa mem -t 8 -R '@RG\\tID:1\\tSM:s' ref.fa a_R1.fq.gz a_R2.fq.gz | samtools sort -o a.bam -",
        "fastqc -o qc a.fq.gz",
    ),
    *(
        "samtools view -b -q 30 -F 4 in.bam chr1:100-200 > out.bam",
        "bcftools filter -i 'FILTER=\"PASS\"' a.vcf.gz",
    ),
    *(
        "STAR --runThreadN 8 --genomeDir idx --readFilesIn a_1.fq a_2.fq --outSAMtype BAM SortedByCoordinate",
    ),
    *(
        "salmon quant -i idx -l A -1 a_1.fq -2 a_2.fq -p 8 --validateMappings -o quants",
        "multiqc . -o report",
    ),
    *(
        "snakemake --cores 4 --config alpha=1 sample=a --forcerun map",
        "nextflow run nf-core/rnaseq -profile docker -r 3.14",
    ),
    *(
        "docker run --rm -v $PWD:/data -p 8080:80 quay.io/biocontainers/samtools:1.17--h00cdaf9_0 samtools",
    ),
    *(
        "docker pull ubuntu:22.04@sha256:0bced47fffa3361afa981854fcabcd4577cd43cebbb808cea2b1f33a3dd7f508",
    ),
    *(
        "SELECT key, token_count, author FROM t WHERE pass = 1 AND primary_key > 10",
        "pip install 'lamin-core[openlineage]==1.0'",
    ),
    *(
        "tokenizer = AutoTokenizer.from_pretrained('bert-base')",
        "sep_token=<sep> pad_token=[PAD]",
        "n_tokens: 512",
    ),
    *(
        "max_tokens=4096",
        "--tokens-per-batch 4096",
        "first_pass=2 n_pass=3",
        "PASS: 12 tests",
        "key=counts.csv",
    ),
    *(
        "keyboard: qwerty",
        "author: Ann Example",
        "primary_key=id",
        "foreign_key: sample.id",
        "sort_key=name",
        "bypass=true",
    ),
    *(
        "token = tokens[i]",
        "password = getpass()",
        "api_key=os.environ['API_KEY']",
        "secret_name=prod/db",
        "password: str",
    ),
    *(
        "def login(user: str, password: str) -> Token:",
        "PGPASSWORD=$PGPASSWORD psql -h db",
        "git@github.com:org/repo.git",
    ),
    *(
        "https://example.org/a?page=2&sort=name",
        "abfss://raw@lake.dfs.core.windows.net/a.csv",
        "mailto:ann@example.org",
    ),
    *(
        "s3://bucket/year=2026/month=01/part-0.parquet",
        "ssh://git@host/repo.git",
        "chr1:100-200",
        "2026-01-01T00:00:00Z",
    ),
]
