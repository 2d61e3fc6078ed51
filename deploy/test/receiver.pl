#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A webhook receiver for a bare system, which has no other language: one line a request to a file.
use strict;
use warnings;
use IO::Socket::INET;

my ($port, $file) = @ARGV;
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 16, ReuseAddr => 1)
	or die "listen: $!";
while (my $peer = $listener->accept) {
	my ($path, $length) = ('', 0);
	while (defined(my $line = <$peer>)) {
		last if $line =~ /^\r?\n$/;
		$path = $1 if $line =~ m{^\w+ (\S+) HTTP};
		$length = $1 if $line =~ /^content-length: *(\d+)/i;
	}
	my $body = '';
	read($peer, $body, $length) if $length > 0;
	open(my $out, '>>', $file) or die "$file: $!";
	print $out "$path $body\n";
	close($out);
	print $peer "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	close($peer);
}
