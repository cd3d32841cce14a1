# Installs a formula's archive and runs the formula's test. Homebrew itself cannot be had without its own repository, so
# this has the part of its interface that the formula uses; what is installed and tested is real.
#
#   ruby formula.rb FORMULA DIRECTORY-OF-ARCHIVES PREFIX
require "digest"
require "fileutils"
require "open3"
require "pathname"
require "tmpdir"

class Pathname
  def install(*sources)
    mkpath
    sources.flatten.each do |source|
      pairs = source.is_a?(Hash) ? source : { source => File.basename(source) }
      pairs.each { |from, to| FileUtils.cp(from, join(to), preserve: true) }
    end
  end

  def install_symlink(names)
    mkpath
    names.each { |from, to| File.symlink(from, join(to)) }
  end
end

class Formula
  class << self
    attr_reader :facts, :check

    %i[desc homepage license url sha256].each do |name|
      define_method(name) { |value| (@facts ||= {})[name] = value }
    end
    { on_macos: /darwin/, on_linux: /linux/ }.each do |name, os|
      define_method(name) { |&block| block.call if RUBY_PLATFORM.match?(os) }
    end
    { on_arm: /arm64|aarch64/, on_intel: /x86_64/ }.each do |name, cpu|
      define_method(name) { |&block| block.call if RUBY_PLATFORM.match?(cpu) }
    end

    def test(&block)
      @check = block
    end
  end

  attr_reader :testpath

  def initialize(prefix)
    @prefix = Pathname(prefix)
    @testpath = Pathname(Dir.mktmpdir)
  end

  def version = self.class.facts[:url][%r{/v([^/]+)/}, 1]
  def bin = @prefix/"bin"
  def man1 = @prefix/"share/man/man1"
  def bash_completion = @prefix/"etc/bash_completion.d"
  def zsh_completion = @prefix/"share/zsh/site-functions"
  def fish_completion = @prefix/"share/fish/vendor_completions.d"

  def shell_output(command, expected = 0)
    output, status = Open3.capture2e(command, chdir: testpath)
    raise "#{command} ends with #{status.exitstatus}: #{output}" unless status.exitstatus == expected

    output
  end

  def assert_match(expected, text)
    raise "#{expected} is not in #{text}" unless text.include?(expected)
  end
end

formula, archives, prefix = ARGV
load formula
facts = Stategate.facts
archive = File.join(archives, File.basename(facts.fetch(:url)))
digest = Digest::SHA256.file(archive).hexdigest
raise "#{archive} has the checksum #{digest}, not #{facts[:sha256]}" unless digest == facts.fetch(:sha256)

made = Stategate.new(prefix)
Dir.mktmpdir do |unpacked|
  system("tar", "-xzf", archive, "-C", unpacked, exception: true)
  Dir.chdir(unpacked) { made.install }
end
made.instance_eval(&Stategate.check)
raise "no manual pages" unless (made.man1/"stategate-check.1").exist?
FileUtils.rm_rf(made.testpath)
