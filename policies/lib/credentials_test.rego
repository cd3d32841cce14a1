package stategate.lib.credentials_test

import data.stategate.lib.credentials

test_urls_with_a_password if {
	every text in [
		"postgres://app:hunter2@pg:5432/shop",
		"amqp://guest:guest@queue",
		"primary=redis://:hunter2@cart:6379/0",
		"http://proxy,mongodb://app:hunter2@orders-0.orders,orders-1.orders/shop",
	] {
		credentials.embedded(text)
	}
}

test_urls_without if {
	every text in [
		"postgres://app@pg:5432/shop",
		"postgres://pg:5432/shop",
		"postgres://app:$(DB_PASSWORD)@pg/shop",
		"postgres://app:${DB_PASSWORD}@pg/shop",
		"postgres://app:<password>@pg/shop",
		"postgres://app:{{ password }}@pg/shop",
		"postgres://app:@pg/shop",
		"https://shop.example/reset?mail=a:b@c",
		"alice:x@shop.example",
		"PLAINTEXT://:9092,CONTROLLER://:9093",
	] {
		not credentials.embedded(text)
	}
}

test_connection_strings if {
	every text in [
		"host=pg user=app password=hunter2 dbname=shop",
		"jdbc:postgresql://pg/shop?user=app&password=hunter2&ssl=true",
		"Server=sql;User Id=app;Password=hunter2;",
		"PGPASSWORD=hunter2 psql -U app\nselect 1",
		"password='hunter2'",
		"DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=aHVudGVyMg==;EndpointSuffix=core.windows.net",
		"Endpoint=sb://shop/;SharedAccessKeyName=app;SharedAccessKey=aHVudGVyMg=",
	] {
		credentials.embedded(text)
	}
}

test_connection_strings_without if {
	every text in [
		"host=pg user=app dbname=shop",
		"host=pg password=$(DB_PASSWORD)",
		"PGPASSWORD=\"$DB_PASSWORD\" psql",
		"password=",
		"password=;user=app",
		"password=/run/secrets/pg",
		"reset-password=true",
	] {
		not credentials.embedded(text)
	}
}

test_placeholders if {
	every text in [
		"${PW}", "<password>", "<<password>>", "<<ENTER YOUR PASSWORD>>", "<<db1-password>>", "<<DB1_PW>>",
		"{{ .Values.pw }}",
	] {
		credentials.placeholder(text)
	}
	every text in ["your-secret-access-key", "YOUR_TOKEN_HERE", "REPLACEME", "replace-with-your-key"] {
		credentials.to_be_written(text)
		credentials.unwritten(text)
	}
	every text in ["changeme", "CHANGE_ME", "please-change-this", "change-me-in-production!"] {
		credentials.unwritten(text)
		not credentials.to_be_written(text)
	}
	every text in ["hunter2", "changeme2", "replaced", "exchange"] {
		not credentials.unwritten(text)
	}
	every text in ["hunter2", "$hunter2", "a${PW}", "<x", "your-hunter2", "yourkey", "<<hunter2abc>>", "<hunter2>>>"] {
		not credentials.placeholder(text)
		not credentials.to_be_written(text)
	}
}

test_own if {
	credentials.own("hunter2")
	credentials.own(`"hunter2"`)
	every word in ["", "''", "$PW", "$(PW)", "--save", "/run/secrets/pw", "TRUE", "0"] {
		not credentials.own(word)
	}
}

test_published_constants_are_no_secret if {
	every text in [
		"Test SDF Future Network ; October 2022",
		"Standalone Network ; February 2017",
		"1x0000000000000000000000000000000AA",
	] {
		credentials.published(text)
		not credentials.own(text)
	}
	every text in ["hunter2", "Network ; no date", "1x0000"] {
		not credentials.published(text)
	}
}

test_empty_passwords_in_quotes if {
	every text in [
		"CHANGE MASTER TO MASTER_USER='root', MASTER_PASSWORD='', MASTER_CONNECT_RETRY=10;",
		`mysql -e "CHANGE MASTER TO MASTER_PASSWORD=\"\", MASTER_PORT=3306"`,
		"password=''",
	] {
		not credentials.embedded(text)
	}
	credentials.embedded("CHANGE MASTER TO MASTER_PASSWORD='hunter2', MASTER_CONNECT_RETRY=10;")
	credentials.embedded(`mysql -e "CHANGE MASTER TO MASTER_PASSWORD=\"hunter2\", MASTER_PORT=3306"`)
	not credentials.embedded(`"host=pg password=" "and more words"`)
}

test_dummy_keys if {
	every text in ["none", "sk-no-key-required", "not_needed", "N/A", "EMPTY", "lm-studio"] {
		credentials.dummy_key(text)
	}
	every text in ["", "sk-1234", "nothing-to-see", "none-a91"] {
		not credentials.dummy_key(text)
	}
}
