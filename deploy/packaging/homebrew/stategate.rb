# The formula for a tap of Homebrew. deploy/packaging/manifests puts version and checksums in.
class Stategate < Formula
  desc "Admission gate for stateful workloads on Kubernetes"
  homepage "https://github.com/YOUR-ORG/stategate"
  license "Apache-2.0"

  on_macos do
    on_arm do
      url "https://github.com/YOUR-ORG/stategate/releases/download/v@VERSION@/stategate_@VERSION@_darwin_arm64.tar.gz"
      sha256 "@SHA256_darwin_arm64@"
    end
    on_intel do
      url "https://github.com/YOUR-ORG/stategate/releases/download/v@VERSION@/stategate_@VERSION@_darwin_amd64.tar.gz"
      sha256 "@SHA256_darwin_amd64@"
    end
  end

  on_linux do
    on_arm do
      url "https://github.com/YOUR-ORG/stategate/releases/download/v@VERSION@/stategate_@VERSION@_linux_arm64.tar.gz"
      sha256 "@SHA256_linux_arm64@"
    end
    on_intel do
      url "https://github.com/YOUR-ORG/stategate/releases/download/v@VERSION@/stategate_@VERSION@_linux_amd64.tar.gz"
      sha256 "@SHA256_linux_amd64@"
    end
  end

  def install
    bin.install "stategate"
    bin.install_symlink "stategate" => "kubectl-stategate"
    bash_completion.install "completions/stategate.bash" => "stategate"
    zsh_completion.install "completions/_stategate"
    fish_completion.install "completions/stategate.fish"
    man1.install Dir["man/*.1"]
  end

  test do
    (testpath/"pg.yaml").write <<~YAML
      apiVersion: apps/v1
      kind: StatefulSet
      metadata: {name: pg, namespace: shop}
      spec:
        serviceName: pg
        selector: {matchLabels: {app: pg}}
        template:
          metadata: {labels: {app: pg}}
          spec:
            containers:
            - {name: pg, image: "postgres:17.2", volumeMounts: [{name: data, mountPath: /var/lib/postgresql/data}]}
            volumes: [{name: data, emptyDir: {}}]
    YAML
    assert_match "volume-no-emptydir-data", shell_output("#{bin}/stategate check pg.yaml", 1)
    assert_match version.to_s, shell_output("#{bin}/kubectl-stategate --version")
  end
end
